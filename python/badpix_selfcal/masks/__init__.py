"""What a person looks at: comparisons, histories, figures, pages and exports."""
